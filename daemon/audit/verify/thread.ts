// A thread that checks stretches, one after the other, as it is told.
import { parentPort, workerData } from 'node:worker_threads';
import { checkStretch, openReadOnly } from './stretch.ts';
import type { Stretch } from './stretch.ts';

const db = openReadOnly((workerData as { database: string }).database);
parentPort?.on('message', (stretch: Stretch) => parentPort?.postMessage(checkStretch(db, stretch)));
