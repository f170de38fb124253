import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './survive/egress-death.ts');
