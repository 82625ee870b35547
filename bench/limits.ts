import { runCommand } from './command.ts';
import { LIMITS } from './programs/limits.ts';

await runCommand(LIMITS);
