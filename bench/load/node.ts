import type { NodeLoadAnswers } from '../processes/node-load-process.ts';
import type { Child } from '../child.ts';
import type { LoadGenerator } from './load.ts';

/** Load from Node, where there is no h2load: it needs more CPU than the server, so the server idles now and then. */
export function createNodeLoad(child: Child<NodeLoadAnswers>): LoadGenerator {
  return {
    about: `node ${process.version} (no h2load on the PATH)`,
    blast: ({ message, ...rest }) => child.ask('run', { ...rest, messages: [message] }),
  };
}
