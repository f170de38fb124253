// The sockets of Docker, D-Bus and systemd, with somebody who listens: in a mount namespace whose /run is the test's own.
import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './host-sockets.ts');
