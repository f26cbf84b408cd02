/** UTF-8 (RFC 3629) for the few texts in a heartbeat: the core has no TextEncoder, and needs cutting at a character. */

const REPLACEMENT = 0xfffd;

/**
 * Writes `text` from offset `start`, whole characters only and never past `end`; returns where it stopped. Half a
 * surrogate pair becomes U+FFFD. `into` must reach to `end`.
 */
export function writeUtf8(text: string, into: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    let code = text.codePointAt(i) ?? REPLACEMENT;
    if (code > 0xffff) i++;
    else if (code >= 0xd800 && code <= 0xdfff) code = REPLACEMENT;
    const length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (at + length > end) break;
    if (length === 1) {
      into[at++] = code;
      continue;
    }
    // The lead byte has as many ones in front as there are bytes, then what the continuation bytes leave over.
    into[at++] = (0xf00 >> length) | (code >> (6 * (length - 1)));
    for (let shift = 6 * (length - 2); shift >= 0; shift -= 6) into[at++] = 0x80 | ((code >> shift) & 0x3f);
  }
  return at;
}

/** The text of the bytes from `start` to `end`. Each longest invalid beginning of a character becomes one U+FFFD (Unicode 3.9). */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let at = start;
  while (at < end) {
    const lead = bytes[at++] ?? 0;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    let missing = lead >= 0xc2 && lead <= 0xdf ? 1 : (lead & 0xf0) === 0xe0 ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
    let code = missing === 0 ? REPLACEMENT : lead & (0x3f >> missing);
    // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF (RFC 3629 section 4).
    let lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    let highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    while (missing > 0) {
      const next = at < end ? (bytes[at] ?? 0) : 0;
      if (next < lowest || next > highest) {
        code = REPLACEMENT;
        break;
      }
      code = (code << 6) | (next & 0x3f);
      at++;
      missing--;
      lowest = 0x80;
      highest = 0xbf;
    }
    text += String.fromCodePoint(code);
  }
  return text;
}
