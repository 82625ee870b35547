import { writeFile } from 'node:fs/promises';
import { createBench, type Program } from './bench.ts';
import { helpText, readOptions } from './options.ts';
import { formatReport, reportJson } from './report.ts';

/** Runs a program as the command line says, and prints what it found. */
export async function runCommand(program: Program): Promise<void> {
  const help = helpText(program.help);
  const options = readOptions(process.argv.slice(2));
  if (options instanceof Error) {
    process.stderr.write(`bench: ${options.message}\n\n${help}`);
    process.exitCode = 2;
    return;
  }
  if (options.help) {
    process.stdout.write(help);
    return;
  }
  const bench = createBench({
    program,
    progress: (step) => void process.stderr.write(`bench: ${step} …\n`),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void bench.stop().finally(() => process.exit(130)));
  }
  const report = await bench.run(options);
  process.stdout.write(`\n${formatReport(report)}`);
  if (options.jsonFile !== undefined) await writeFile(options.jsonFile, reportJson(report));
}
