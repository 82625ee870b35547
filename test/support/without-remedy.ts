import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The remedies that a run can do without, each with what stands for it in the compiled server, and what instead. */
const REMEDIES = {
  /** Memory answers by the lease of the poll before the last one. */
  'the lease counts from the poll before': {
    file: 'server/coherence/log-watch.js',
    changes: [
      [
        'validUntilMonotonicMs = previous.monotonicMs + leaseMs',
        'validUntilMonotonicMs = sent.monotonicMs + leaseMs',
      ],
      ['validUntilWallMs = previous.wallMs + leaseMs', 'validUntilWallMs = sent.wallMs + leaseMs'],
    ],
  },
  /** What a change has overtaken while it was read is not kept. */
  'a fill that was overtaken is not kept': {
    file: 'server/snapshots/shared-reads.js',
    changes: [['if (flights.get(key) === flight)\n                keep(key, found);', 'keep(key, found);']],
  },
  /** A page of the log that lacks positions makes the replica forget everything. */
  'a gap in the log is noticed': {
    file: 'server/coherence/log-watch.js',
    changes: [['if (rows.length !== head.seq - sentCursor)', 'if (rows.length > head.seq - sentCursor)']],
  },
  /** What goes back is not sent with the next lease again. */
  'tokens go back once': {
    file: 'server/budgets/rate-allowance.js',
    changes: [['this.#returns.clear();', '']],
  },
  /** A token may not be spent whenever. */
  'tokens end with their bucket': {
    file: 'server/budgets/rate-allowance.js',
    changes: [['if (nowMs >= this.#endMs)', 'if (nowMs < 0)']],
  },
  /** Credits are not kept that were leased before the balance was set, and came after that was heard of. */
  'a lease that was overtaken goes back': {
    file: 'server/budgets/credit-allowance.js',
    changes: [['if (this.#overtaken)', 'if (false)']],
  },
} as const satisfies Record<
  string,
  { readonly file: string; readonly changes: readonly (readonly [from: string, to: string])[] }
>;

export type Remedy = keyof typeof REMEDIES;

/** A server's program. */
export interface Program {
  readonly path: string;
  remove(): Promise<void>;
}

/** A copy of the compiled server without one remedy. @throws Error if what stands for it is not there exactly once */
export async function buildWithout(remedy: Remedy): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-without-'));
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(directory, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const { file, changes } = REMEDIES[remedy];
  const path = join(directory, 'dist', file);
  let code = await readFile(path, 'utf8');
  for (const [from, to] of changes) {
    if (code.split(from).length !== 2)
      throw new Error(`${file} does not have exactly one ${JSON.stringify(from)}`);
    code = code.replace(from, to);
  }
  await writeFile(path, code);
  return {
    path: join(directory, 'dist/server/main.js'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
