// Beside mounts of its own: what another test mounts meanwhile would have every prepared launch dropped.
import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './prepared/launches.ts');
