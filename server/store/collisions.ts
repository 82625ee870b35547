import { isCollision } from './errors.ts';

/** How often a transaction is run. */
const ATTEMPTS = 5;

/**
 * Runs a transaction, and again if the database undid it because it collided with others: a serialization failure or a
 * deadlock.
 * @throws what the transaction threw; the last collision, if it keeps colliding
 */
export async function rerunCollided<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (!isCollision(error) || attempt === ATTEMPTS) throw error;
      // Apart from each other, so that the same two do not meet again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt));
    }
  }
}
