// Test process: stands in for an uploader that somebody has taken over. What it says is the version it is told.
import { Socket } from 'node:net';
import { Connection } from '../../daemon/wire/mod.ts';

const socket = new Socket({ fd: 3, readable: true, writable: true });

const says: Readonly<Record<string, (connection: Connection) => void>> = {
  acknowledge: (connection) =>
    void connection.ask('uploadAcknowledge', { sink: 'siem', through: 1000, records: 1000 }),
  elsewhere: (connection) => void connection.notify('uploadState', { sink: 'other', state: 'idle' }),
  ahead: (connection) => void connection.ask('uploadRequest', { sink: 'siem', from: 5, limit: 10 }),
  // An answer that names it fits no frame.
  'long name': (connection) =>
    void connection.ask('uploadRequest', { sink: 'x'.repeat(1_048_540), limit: 10 }),
  admin: (connection) => void connection.ask('status'),
  garbage: () => void socket.write(Buffer.alloc(64, 0xff)),
};

process.on('unhandledRejection', () => undefined);
new Connection(socket, {
  onMessage: ({ message }, connection) => {
    if (message.kind === 'uploadSetup') says[message.body.version]?.(connection);
  },
});
