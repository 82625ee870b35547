import { runCommand } from './command.ts';
import { VERIFICATION } from './programs/verification.ts';

await runCommand(VERIFICATION);
