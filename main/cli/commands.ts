/** All commands, by name. Each is loaded when it is called, so that a command pays only for its own parts. */
import type { Command } from './command.ts';

export type CommandRegistry = Readonly<Record<string, () => Promise<Command>>>;

export const commands: CommandRegistry = {
  bench: async () => (await import('./bench.ts')).bench,
  conformance: async () => (await import('./conformance.ts')).conformance,
  dealer: async () => (await import('./dealer.ts')).dealer,
  demo: async () => (await import('./demo.ts')).demo,
  doctor: async () => (await import('./doctor.ts')).doctor,
  infer: async () => (await import('./infer.ts')).infer,
  invite: async () => (await import('./invite.ts')).invite,
  join: async () => (await import('./join.ts')).join,
  party: async () => (await import('./party.ts')).party,
  plan: async () => (await import('./plan.ts')).plan,
  run: async () => (await import('./run.ts')).run,
};
