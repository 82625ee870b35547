import { createLogger, type Logger } from '../../server/telemetry/logger.ts';

/** A logger that keeps what it is told. */
export interface CapturedLog {
  readonly logger: Logger;
  /** The finished lines, as they would stand on standard error. */
  readonly lines: readonly string[];
  /** The lines, parsed. */
  records(): readonly Readonly<Record<string, unknown>>[];
  /** Whether a record with this message was logged. */
  has(message: string): boolean;
}

/** The process's own logger, redaction and all, at the most talkative level unless told otherwise. */
export function captureLogger(options: { readonly level?: string } = {}): CapturedLog {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const records = (): Readonly<Record<string, unknown>>[] =>
    lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    logger: createLogger({ level: options.level ?? 'trace', destination }),
    lines,
    records,
    has: (message) => records().some(({ msg }) => msg === message),
  };
}
