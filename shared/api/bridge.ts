/**
 * What the preload of the desktop app gives to the interface: verbs only, no object of Electron's and no port. Both sides
 * take their types from here.
 */
import type { Answer } from './call.ts';

/** The name under which the page finds it. */
export const BRIDGE_NAME = 'tacitDesktop';

/**
 * `locked`: a passphrase is needed before the host can start; `isNew` where it is to be chosen. `lost`: the host ended and is
 * started again. `failed`: it ended so often that a person has to act.
 */
export type DesktopState =
  | { readonly state: 'connecting' | 'connected' | 'lost' }
  | { readonly state: 'locked'; readonly isNew: boolean }
  | { readonly state: 'failed'; readonly message: string; readonly hint: string };

/** What the menu or the system asks the interface to do. */
export type DesktopCommand =
  | { readonly command: 'go'; readonly section: string; readonly id?: string | undefined }
  | { readonly command: 'palette' | 'shortcuts' | 'invite' | 'new-job' }
  /** A person opened a link or a file: to be shown, never to be acted on. */
  | { readonly command: 'open-invitation'; readonly text: string };

export type UnlockAnswer = { readonly ok: true } | { readonly ok: false; readonly message: string };

export interface DesktopBridge {
  call(name: string, request: unknown): Promise<Answer<unknown>>;
  onEvent(listener: (name: string, body: unknown) => void): void;
  onState(listener: (state: DesktopState) => void): void;
  onCommand(listener: (command: DesktopCommand) => void): void;
  /** Where a file that a person chose or dropped lies; empty for one that is not on disk. */
  pathOf(file: File): string;
  unlock(passphrase: string): Promise<UnlockAnswer>;
}
