/** What a process of the benchmark can be asked by the one that started it, over the IPC channel. */
export type Answers = Readonly<Record<string, (argument: never) => unknown>>;

/** One question, as it is sent. */
export interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

/** The id of the answer that comes unasked, once the process is ready. */
export const READY = 0;

/** An answer, as it is sent. */
export type Reply =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

/** What every process answers. */
export const ACCOUNTS = {
  /** CPU time of the whole process (all threads, user and system) since its start, µs. */
  cpuUs(): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

/** Answers questions until the parent lets go or is gone; a process of the benchmark never outlives it. */
export function answerParent(answers: Answers): void {
  const reply = (message: Reply): void => void process.send?.(message);
  const byName = new Map(Object.entries<(argument: never) => unknown>(answers));

  async function answer({ id, name, argument }: Question): Promise<void> {
    try {
      reply({ id, value: await byName.get(name)?.(argument as never) });
    } catch (error) {
      reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }

  process.on('message', (question: Question) => void answer(question));
  process.once('disconnect', () => process.exit());
  reply({ id: READY, value: undefined });
}
