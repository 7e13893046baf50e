/** All commands, by name. Each is loaded when it is called, so that a command pays only for its own parts. */
import type { Command } from './command.ts';

export type CommandRegistry = Readonly<Record<string, () => Promise<Command>>>;

export const commands: CommandRegistry = {
  doctor: async () => (await import('./doctor.ts')).doctor,
  infer: async () => (await import('./infer.ts')).infer,
  plan: async () => (await import('./plan.ts')).plan,
};
