/**
 * The typed surface of the C addon (native/): system calls on buffers, libuv watchers, one cipher. No policy.
 *
 * File descriptors are plain integers. Every call returns a value >= 0, or -errno; none throws for what the kernel
 * refuses, and none crashes on a closed, foreign or negative descriptor (-EBADF).
 */
export interface Native {
  /** socket(2) with SOCK_NONBLOCK and SOCK_CLOEXEC added. */
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  /** Writes the socket's own address; returns its length. */
  getsockname(fd: number, into: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array): number;
  getsockopt(fd: number, level: number, name: number, into: Uint8Array): number;
  /** Classic BPF: 8 bytes an instruction (struct sock_filter). */
  attachFilter(fd: number, program: Uint8Array): number;
  /** Bytes sent. Without an address the socket must be connected or bound (packet sockets). MSG_DONTWAIT | MSG_NOSIGNAL. */
  send(fd: number, data: Uint8Array, address: Uint8Array | null): number;
  /**
   * sendmmsg(2): `lengths.length` messages of up to `slot` bytes each, message i at `data[i * slot]`; addresses (when not
   * null) of `addressSlot` bytes each. Returns the messages sent.
   */
  sendBatch(
    fd: number,
    data: Uint8Array,
    slot: number,
    lengths: Uint32Array,
    addresses: Uint8Array | null,
    addressSlot: number,
  ): number;
  /** Length of the message (which may be longer than `into`: MSG_TRUNC); the sender's address into `address` when given. */
  receive(fd: number, into: Uint8Array, address: Uint8Array | null): number;
  /**
   * recvmmsg(2) of up to 64 messages: message i at `into[i * slot]`, `lengths[i]` its length (longer than `slot` when cut),
   * its sender's address at `addresses[i * 128]` when given, `times[i]` its kernel receive time in nanoseconds on the
   * realtime clock (0 without SO_TIMESTAMPNS) when given. Returns the messages read; -EAGAIN when there is none.
   */
  receiveBatch(
    fd: number,
    into: Uint8Array,
    slot: number,
    lengths: Uint32Array,
    addresses: Uint8Array | null,
    times: Float64Array | null,
  ): number;
  /** A tty (O_NONBLOCK, for this process alone) made raw: 8 data bits, no parity, no flow control, `baud` bits a second. */
  openSerial(path: string, baud: number): number;
  /** Forgets what the tty has not sent yet: closing it would wait for that, up to half a minute. */
  discardSerial(fd: number): number;
  /** read(2) and write(2): bytes read (0 at the end) or taken. */
  read(fd: number, into: Uint8Array): number;
  write(fd: number, data: Uint8Array): number;
  /** The master of a new pty(7); the name of its other end goes to `path`, with a NUL. For tests and labs. */
  openPseudoTerminal(path: Uint8Array): number;
  /** timerfd on CLOCK_MONOTONIC. */
  timerCreate(): number;
  /** Next expiry at an absolute time in nanoseconds of `monotonic()`; 0 disarms. `interval_ns` 0: once. */
  timerSet(fd: number, at_ns: number, interval_ns: number): number;
  /** Reads the expirations of a timerfd (8 bytes) ; -EAGAIN when none. */
  timerRead(fd: number): number;
  /** CLOCK_MONOTONIC in nanoseconds (exact to a microsecond after a hundred days). */
  monotonic(): number;
  /** CLOCK_BOOTTIME in nanoseconds: `monotonic()` and all the time that the machine was suspended. */
  boottime(): number;
  /** CLOCK_REALTIME in nanoseconds. */
  realtime(): number;
  /** Resolution of CLOCK_MONOTONIC_COARSE in nanoseconds: the kernel's tick (HZ 250: 4000000). */
  tick(): number;
  /** The kernel's bound of CLOCK_REALTIME's error in microseconds (adjtimex(2)); Infinity: nobody keeps it right. */
  clockError(): number;
  /** if_nametoindex(3) in this thread's network namespace; -ENODEV. */
  interfaceIndex(name: string): number;
  /** sched_setscheduler(2) for one thread (0: the calling one). policy 0 SCHED_OTHER, 1 SCHED_FIFO. */
  schedule(tid: number, policy: number, priority: number): number;
  /** flock(2) LOCK_EX | LOCK_NB; -EWOULDBLOCK when another holds it. */
  lock(fd: number): number;
  /** setns(2) of the calling (main) thread; `type` 0x40000000 CLONE_NEWNET. */
  setns(fd: number, type: number): number;
  /** madvise(2) of this process's own memory, by address. */
  adviseMemory(start: number, length: number, advice: number): number;
  /** unix(7) datagram to a path or (leading NUL or "@") abstract name: sd_notify(3). */
  notify(path: string, message: string): number;
  /** A key of ChaCha20-Poly1305 (RFC 8439), 32 bytes. Freed with its handle. */
  aeadKey(secret: Uint8Array): AeadKey | number;
  /**
   * Seals in place: the first `associated` bytes of `data` are only authenticated, the last 16 become the tag, what lies
   * between is encrypted. A nonce (12 bytes) must never come twice under one key. The length of `data`.
   */
  aeadSeal(key: AeadKey, nonce: Uint8Array, data: Uint8Array, associated: number): number;
  /** Opens what `aeadSeal` made; the text goes to `into`, its length is returned. -EBADMSG when the tag does not fit. */
  aeadOpen(key: AeadKey, nonce: Uint8Array, data: Uint8Array, associated: number, into: Uint8Array): number;
  /**
   * Calls back with (status, events) when the descriptor is readable (1) or writable (2); status < 0 is -errno found by
   * SO_ERROR (link down, netlink overrun), after which watching goes on. Returns a handle, or -errno.
   */
  poll(fd: number, events: number, callback: (status: number, events: number) => void): PollHandle | number;
  /** Stops watching; a handle already stopped is left alone. The descriptor stays open. */
  pollStop(handle: PollHandle): void;
}

/** Opaque. */
export interface AeadKey {
  readonly aeadKey: never;
}

/** Opaque. */
export interface PollHandle {
  readonly pollHandle: never;
}
