/** A process that takes the lock of a directory, says so, and holds it until it is killed or its input ends. */
import { lockDirectory } from '../../server/store/engines/directory-lock.ts';

await lockDirectory(process.argv[2] ?? '');
process.stdout.write('held\n');
process.stdin.on('end', () => process.exit()).resume();
