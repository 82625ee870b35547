import { writeFile } from 'node:fs/promises';
import { createBench } from './bench.ts';
import { HELP, readOptions } from './options.ts';
import { formatReport, reportJson } from './report.ts';

const options = readOptions(process.argv.slice(2));
if (options instanceof Error) {
  process.stderr.write(`bench: ${options.message}\n\n${HELP}`);
  process.exitCode = 2;
} else if (options.help) {
  process.stdout.write(HELP);
} else {
  const bench = createBench({ progress: (step) => void process.stderr.write(`bench: ${step} …\n`) });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void bench.stop().finally(() => process.exit(130)));
  }
  const report = await bench.run(options);
  process.stdout.write(`\n${formatReport(report)}`);
  if (options.jsonFile !== undefined) await writeFile(options.jsonFile, reportJson(report));
}
