import { runCommand } from './command.ts';
import { COHERENCE } from './programs/coherence.ts';

await runCommand(COHERENCE);
