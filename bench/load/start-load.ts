import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stage } from '../bench.ts';
import { startChild, type Child } from '../child.ts';
import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import { findH2load } from './h2load.ts';
import type { LoadGenerator } from './load.ts';
import { createNodeLoad } from './node.ts';

/** Load on its own cores: Node's, which can send another message with each call, and the fastest that there is. */
export async function startLoad({ cores, closeLater }: Pick<Stage, 'cores' | 'closeLater'>): Promise<{
  readonly nodeLoad: Child<NodeLoadAnswers>;
  readonly load: LoadGenerator;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  closeLater(() => rm(directory, { recursive: true, force: true }));
  const nodeLoad = await startChild<NodeLoadAnswers>('node-load', { pin: cores.load });
  closeLater(() => nodeLoad.stop());
  return { nodeLoad, load: findH2load({ pin: cores.load, directory }) ?? createNodeLoad(nodeLoad) };
}
