/** Metadata as users have it. Maps are what is on the wire, because there a name may be any text, `__proto__` too. */
export function fromMap(map: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries(map);
}

export function toMap(record: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(record));
}
