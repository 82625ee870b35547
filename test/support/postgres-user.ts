import { execFile } from 'node:child_process';
import { chown, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The user that a test's Postgres runs as. Postgres refuses to run as root. */
export interface PostgresUser {
  /** For `spawn`; empty: as ourselves. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
  /** Gives a folder to this user. */
  own(path: string): Promise<void>;
  /** Whether this user can reach what is in a folder: each folder on the way must be open to it. */
  canEnter(directory: string): Promise<boolean>;
}

/** Ourselves, or for root the user `postgres`, or else `nobody`. */
export async function findPostgresUser(): Promise<PostgresUser> {
  if (process.getuid?.() !== 0) {
    return { identity: {}, own: async () => {}, canEnter: async () => true };
  }
  const ids = (await idsOf('postgres')) ?? (await idsOf('nobody')) ?? { uid: 65_534, gid: 65_534 };
  return {
    identity: ids,
    own: (path) => chown(path, ids.uid, ids.gid),
    async canEnter(directory) {
      for (let path = resolve(directory); ; path = dirname(path)) {
        const { mode } = await stat(path);
        if ((mode & 0o001) === 0) return false;
        if (path === dirname(path)) return true;
      }
    },
  };
}

async function idsOf(name: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  const run = promisify(execFile);
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}
