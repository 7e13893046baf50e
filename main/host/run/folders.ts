/** Where things lie in a party's data folder, beside the store's own files. */
import { join } from 'node:path';

export const resultsFolder = (folder: string): string => join(folder, 'results');
