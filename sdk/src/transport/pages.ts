/** How many entries a page has when all pages are read, unless the query says otherwise. */
export const ALL_PAGE_SIZE = 250;

/** The entries of all pages, read one after another as they are asked for. */
export async function* allPages<Entry>(
  read: (pageToken: string | undefined) => Promise<{
    readonly entries: readonly Entry[];
    readonly nextPageToken?: string;
  }>,
): AsyncGenerator<Entry, void, undefined> {
  let pageToken: string | undefined;
  do {
    const page = await read(pageToken);
    yield* page.entries;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}
