import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import type { BenchDatabase } from './database.ts';

/** What a Postgres needs of the CPU. */
export interface DatabaseCpu {
  /** CPU time of the postmaster and all its children, also of those that have ended, user and system, ms. */
  readMs(): Promise<number>;
}

/** One line of `/proc/<pid>/stat`: what is after the name, which may hold spaces and parentheses. */
interface Stat {
  readonly parent: number;
  readonly ticks: number;
  readonly endedChildrenTicks: number;
}

/** By Linux's accounts of processes; undefined where there are none, or where the Postgres runs on another machine. */
export async function watchDatabaseCpu(database: BenchDatabase): Promise<DatabaseCpu | undefined> {
  const [row] = await database.query<{ pid: number; name: string }>(
    'SELECT pg_backend_pid() AS pid, current_database() AS name',
  );
  if (process.platform !== 'linux' || row === undefined) return undefined;
  // A backend's title tells its database. Elsewhere, that number would be some other process's, or nobody's.
  const title = await readFile(`/proc/${row.pid}/cmdline`, 'utf8').catch(() => '');
  const backend = await readStat(row.pid);
  if (!title.includes(row.name) || backend === undefined) return undefined;
  const postmaster = backend.parent;
  const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

  return {
    async readMs() {
      const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
      let ticks = 0;
      for (const pid of pids) {
        const stat = await readStat(pid);
        if (stat === undefined) continue;
        if (pid === postmaster) ticks += stat.ticks + stat.endedChildrenTicks;
        else if (stat.parent === postmaster) ticks += stat.ticks;
      }
      return (ticks / ticksPerSecond) * 1000;
    },
  };
}

async function readStat(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // proc(5): state, ppid (field 4), …, utime, stime, cutime, cstime (fields 14 to 17).
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? NaN;
  return {
    parent: field(4),
    ticks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
  };
}
