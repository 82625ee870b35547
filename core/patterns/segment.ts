/** Tells whether the segment from `start` to `end` of a path is matched; none is where `start` is after `end`. */
export type SegmentMatcher = (path: string, start: number, end: number) => boolean;

/** The most wildcards in a pattern; a last `**` is one. */
export const WILDCARDS_MAX = 16;

const STAR = 0x2a;

/**
 * Compiles a pattern of one segment, in which each `*` stands for any characters or none. Matching is linear in the
 * segment, whatever the pattern, and allocates nothing.
 *
 * @param pattern of any length, without `/`
 */
export function compileSegment(pattern: string): SegmentMatcher {
  const wildcardAt = pattern.indexOf('*');
  if (wildcardAt < 0) {
    return (path, start, end) => end - start === pattern.length && path.startsWith(pattern, start);
  }
  const first = pattern.slice(0, wildcardAt);
  const last = pattern.slice(pattern.lastIndexOf('*') + 1);
  const between = pattern.slice(wildcardAt, pattern.length - last.length).split('*');
  const parts = between.flatMap((part) => (part === '' ? [] : `${part}*`)).join('');
  const findsAll = createFinder(parts);
  return (path, start, end) => {
    const from = start + first.length;
    const stop = end - last.length;
    if (from > stop || !path.startsWith(first, start) || !path.startsWith(last, stop)) return false;
    return parts === '' || findsAll(path, from, stop);
  };
}

/**
 * Where the first segments of a path end, if each is matched by the matcher in its place: the place of the next slash,
 * or the length of the path. -1 if one is not matched, or the path has fewer segments.
 *
 * @param path one that begins with `/`, or is empty and so has no segments
 */
export function endOfSegments(matchers: readonly SegmentMatcher[], path: string): number {
  let at = 0;
  for (const matches of matchers) {
    const slash = path.indexOf('/', at + 1);
    const end = slash < 0 ? path.length : slash;
    if (!matches(path, at + 1, end)) return -1;
    at = end;
  }
  return at;
}

/**
 * Tells whether all parts stand in a text, one after the other. The leftmost place of each part leaves most to the
 * next, so there is never a reason to come back. Within a part it is Knuth, Morris and Pratt who say how to go on:
 * `indexOf` would take the product of both lengths for `aaab` among many `a`.
 *
 * @param parts each followed by a `*`
 */
function createFinder(parts: string): SegmentMatcher {
  const fallbacks = fallbacksOf(parts);
  return (path, start, stop) => {
    // The places in `parts` where the part begins that is looked for, and where the unit stands that is wanted next.
    let part = 0;
    let next = 0;
    let wanted = parts.charCodeAt(0);
    for (let at = start; at < stop; at += 1) {
      const unit = path.charCodeAt(at);
      while (unit !== wanted && next > part) {
        next = fallbacks[next] ?? 0;
        wanted = parts.charCodeAt(next);
      }
      if (unit !== wanted) continue;
      next += 1;
      wanted = parts.charCodeAt(next);
      if (wanted === STAR) {
        next += 1;
        if (next === parts.length) return true;
        part = next;
        wanted = parts.charCodeAt(next);
      }
    }
    return false;
  };
}

/**
 * For each place in a part, where to go on if another unit comes than the one that stands there: after the longest
 * beginning of the part that what precedes the place also ends in. One list for all parts: a table for each would
 * take 600 bytes, and a pattern can have hundreds.
 *
 * @param parts each followed by a `*`
 */
function fallbacksOf(parts: string): readonly number[] {
  const fallbacks = Array<number>(parts.length).fill(0);
  let part = 0;
  for (let at = 0; at < parts.length; at += 1) {
    let next = part;
    if (at >= part + 2) {
      next = fallbacks[at - 1] ?? 0;
      const unit = parts.charCodeAt(at - 1);
      while (next > part && parts.charCodeAt(next) !== unit) next = fallbacks[next] ?? 0;
      if (parts.charCodeAt(next) === unit) next += 1;
    }
    fallbacks[at] = next;
    if (parts.charCodeAt(at) === STAR) part = at + 1;
  }
  return fallbacks;
}
