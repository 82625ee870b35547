import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import { readFields } from '../../../server/transport/convert/fields.ts';
import { readMasked, type AttributeReaders } from '../../../server/transport/convert/mask.ts';

interface Message {
  readonly name: string;
  readonly count: number;
}

interface Attributes {
  readonly displayName: string;
  readonly count: number | null;
}

/** The change that a mask asks for, what was read for it, and what is said of the request. */
function read(mask: readonly string[] | undefined): {
  readonly change: Partial<Attributes>;
  readonly attributesRead: readonly string[];
  readonly reason: string | undefined;
  readonly violations: readonly { readonly field: string; readonly description: string }[];
} {
  const attributesRead: string[] = [];
  const readers: AttributeReaders<Message, Attributes> = {
    displayName: (fields, { name }) => {
      attributesRead.push('displayName');
      return fields.text('message.name', name, { max: 8 });
    },
    count: (_fields, { count }) => {
      attributesRead.push('count');
      return count === 0 ? null : count;
    },
  };
  const fields = readFields();
  const change = readMasked(fields, { name: 'much too long', count: 0 }, mask, {
    updatable: { display_name: 'displayName', count: 'count' },
    read: readers,
  });
  try {
    fields.finish();
    return { change, attributesRead, reason: undefined, violations: [] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { change, attributesRead, reason: error.reason, violations: error.violations };
  }
}

const tooLong = { field: 'message.name', description: 'must have at most 8 characters' };

describe('an update mask', () => {
  test('changes what it names and leaves the rest unread', () => {
    expect(read(['count'])).toEqual({
      change: { count: null },
      attributesRead: ['count'],
      reason: undefined,
      violations: [],
    });
  });

  test('has no order, and no effect twice', () => {
    const { change, attributesRead, violations } = read(['count', 'display_name', 'count']);
    expect(change).toEqual({ displayName: 'much too long', count: null });
    expect(attributesRead).toEqual(['displayName', 'count']);
    expect(violations).toEqual([tooLong]);
  });

  test.each([[undefined], [[]]])('%j, which names nothing, is refused', (mask) => {
    const { change, attributesRead, violations } = read(mask);
    expect(change).toEqual({});
    expect(attributesRead).toEqual([]);
    expect(violations).toEqual([
      { field: 'update_mask', description: 'must name at least one of display_name, count' },
    ]);
  });

  test('of 64 paths passes, of 65 is refused before any is read', () => {
    expect(read(Array<string>(64).fill('count')).violations).toEqual([]);
    const { attributesRead, violations } = read(Array<string>(65).fill('count'));
    expect(attributesRead).toEqual([]);
    expect(violations).toEqual([{ field: 'update_mask', description: 'must have at most 64 paths' }]);
  });

  test.each(['displayName', 'constructor', '__proto__', '*', ''])(
    'with the unknown path %j is refused',
    (path) => {
      const { violations } = read([path, 'display_name']);
      expect(violations).toEqual([
        { field: 'update_mask.paths[0]', description: 'must be one of display_name, count' },
        tooLong,
      ]);
    },
  );
});
