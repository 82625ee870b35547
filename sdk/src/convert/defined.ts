/** An object without its properties that are undefined. */
export type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** A copy without the properties that are undefined: messages tell absent from present, and know no third. */
export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Defined<T>;
}
