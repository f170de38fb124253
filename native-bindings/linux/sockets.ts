// Socket calls on raw addresses (bytes of struct sockaddr), for mediation on behalf.
import { Arena } from './arena.ts';
import { check, errno, libc } from './libc.ts';

export const AF = { UNSPEC: 0, UNIX: 1, INET: 2, INET6: 10 } as const;
export const IPPROTO_TCP = 6;
export const SOCK = { STREAM: 1, DGRAM: 2, SEQPACKET: 5, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
const SOL_SOCKET = 1;
const SO = { REUSEADDR: 2, TYPE: 3, SNDTIMEO: 21, PROTOCOL: 38, DOMAIN: 39, ACCEPTCONN: 30 } as const;

const scratch = new Arena(512);

export const socket = (domain: number, type: number, protocol = 0): number =>
  check(libc.socket(domain, type, protocol), 'socket');
/** A connected pair of unix stream sockets. */
export function socketPair(type: number): readonly [number, number] {
  check(libc.socketpair(AF.UNIX, type, 0, scratch.at(0)), 'socketpair');
  return [scratch.view.getInt32(0, true), scratch.view.getInt32(4, true)];
}
/** Integer socket option, or -errno. */
function option(fd: number, name: number): number {
  scratch.view.setUint32(32, 4, true);
  return libc.getsockopt(fd, SOL_SOCKET, name, scratch.at(0), scratch.at(32)) < 0
    ? -errno()
    : scratch.view.getInt32(0, true);
}
export const socketDomain = (fd: number): number => option(fd, SO.DOMAIN);
export const socketType = (fd: number): number => option(fd, SO.TYPE);
export const socketProtocol = (fd: number): number => option(fd, SO.PROTOCOL);

/** 0 or -errno. */
export function bindTo(fd: number, address: Uint8Array): number {
  scratch.bytes.set(address, 64);
  return libc.bind(fd, scratch.at(64), address.length) < 0 ? -errno() : 0;
}
/** 0 or -errno. */
export function connectTo(fd: number, address: Uint8Array): number {
  scratch.bytes.set(address, 64);
  return libc.connect(fd, scratch.at(64), address.length) < 0 ? -errno() : 0;
}
export const listen = (fd: number, backlog: number): void => void check(libc.listen(fd, backlog), 'listen');
export function reuseAddress(fd: number): void {
  scratch.view.setInt32(0, 1, true);
  check(libc.setsockopt(fd, SOL_SOCKET, SO.REUSEADDR, scratch.at(0), 4), 'setsockopt');
}
/**
 * How long a blocking connect or send may take (unix sockets with a full backlog), in microseconds; 0 = forever. To the
 * microsecond: what is somebody else's is given back as it was.
 */
export function sendTimeout(fd: number): bigint {
  scratch.view.setUint32(32, 16, true);
  if (libc.getsockopt(fd, SOL_SOCKET, SO.SNDTIMEO, scratch.at(0), scratch.at(32)) < 0) return 0n;
  return scratch.view.getBigInt64(0, true) * 1_000_000n + scratch.view.getBigInt64(8, true);
}
export function setSendTimeout(fd: number, microseconds: bigint): void {
  scratch.view.setBigInt64(0, microseconds / 1_000_000n, true);
  scratch.view.setBigInt64(8, microseconds % 1_000_000n, true);
  libc.setsockopt(fd, SOL_SOCKET, SO.SNDTIMEO, scratch.at(0), 16);
}
const POLLERR = 8;
/** True when a connect in progress has failed already. The error stays for its owner to read. */
export function hasFailed(fd: number): boolean {
  scratch.view.setInt32(0, fd, true);
  scratch.view.setInt32(4, 0, true);
  return libc.poll(scratch.at(0), 1, 0) > 0 && (scratch.view.getInt16(6, true) & POLLERR) !== 0;
}
/** Port a socket is bound to (host order), or -errno. */
export function localPort(fd: number): number {
  scratch.view.setUint32(32, 28, true);
  return libc.getsockname(fd, scratch.at(64), scratch.at(32)) < 0
    ? -errno()
    : scratch.view.getUint16(66, false);
}
export function inet4(address: readonly [number, number, number, number], port: number): Uint8Array {
  const b = Buffer.alloc(16);
  b.writeUInt16LE(AF.INET, 0);
  b.writeUInt16BE(port, 2);
  b.set(address, 4);
  return b;
}
/** ::1 */
export function inet6Loopback(port: number): Uint8Array {
  const b = Buffer.alloc(28);
  b.writeUInt16LE(AF.INET6, 0);
  b.writeUInt16BE(port, 2);
  b[23] = 1;
  return b;
}
export function unixAddress(path: string): Uint8Array {
  const b = Buffer.alloc(2 + path.length + 1);
  b.writeUInt16LE(AF.UNIX, 0);
  b.latin1Write(path, 2);
  return b;
}

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
/** Brings `lo` up in the calling thread's network namespace. */
export function loopbackUp(): void {
  const fd = socket(AF.INET, SOCK.DGRAM | SOCK.CLOEXEC);
  scratch.bytes.fill(0, 128, 168);
  scratch.bytes.latin1Write('lo', 128);
  check(libc.ioctl(fd, SIOCGIFFLAGS, scratch.at(128)), 'SIOCGIFFLAGS lo');
  scratch.view.setInt16(144, scratch.view.getInt16(144, true) | 1, true);
  check(libc.ioctl(fd, SIOCSIFFLAGS, scratch.at(128)), 'SIOCSIFFLAGS lo');
  libc.close(fd);
}
