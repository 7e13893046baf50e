/** Sessions: which organisations work together, under which local names and in which roles. Knows nothing of their jobs. */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export interface SessionMember {
  /** Name of the party in this session's jobs. */
  readonly party: string;
  readonly fingerprint: string;
  readonly roles: readonly string[];
}

export interface Session {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly closedAtMs: number | undefined;
  readonly members: readonly SessionMember[];
}

interface SessionRow {
  id: string;
  name: string;
  createdAtMs: number;
  closedAtMs: number | null;
}

const rolesSchema = z.array(z.string());

export class SessionStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable. An id that exists is refused (`session-exists`). */
  create(session: Pick<Session, 'id' | 'name' | 'members'>): void {
    this.#database.durable(() => {
      const { changes } = this.#database
        .prepare<[string, string, number]>(
          'INSERT INTO session (id, name, created_at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        )
        .run(session.id, session.name, Date.now());
      if (changes === 0) throw new InputError('session-exists', `A session with the id ${session.id} exists already.`);
      const insert = this.#database.prepare<[string, string, string, string]>(
        'INSERT INTO session_member (session, party, fingerprint, roles) VALUES (?, ?, ?, ?)',
      );
      for (const { party, fingerprint, roles } of session.members) {
        insert.run(session.id, party, fingerprint, JSON.stringify(roles));
      }
    });
  }

  get(id: string): Session | undefined {
    return this.#select('WHERE id = ?', [id])[0];
  }

  /** All sessions, the newest first. */
  list(): Session[] {
    return this.#select('ORDER BY created_at_ms DESC, id', []);
  }

  /** Durable. A closed session takes no new job. */
  close(id: string): void {
    this.#database.durable(() =>
      this.#database
        .prepare<[number, string]>('UPDATE session SET closed_at_ms = coalesce(closed_at_ms, ?) WHERE id = ?')
        .run(Date.now(), id),
    );
  }

  #select(clause: string, parameters: string[]): Session[] {
    return this.#database.read(() => {
      const members = this.#database.prepare<[string], { party: string; fingerprint: string; roles: string }>(
        'SELECT party, fingerprint, roles FROM session_member WHERE session = ? ORDER BY party',
      );
      return this.#database
        .prepare<string[], SessionRow>(
          `SELECT id, name, created_at_ms AS createdAtMs, closed_at_ms AS closedAtMs FROM session ${clause}`,
        )
        .all(...parameters)
        .map((row) => ({
          ...row,
          closedAtMs: row.closedAtMs ?? undefined,
          members: members
            .all(row.id)
            .map((member) => ({ ...member, roles: rolesSchema.parse(JSON.parse(member.roles)) })),
        }));
    });
  }
}
