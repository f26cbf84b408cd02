/** Why bytes from the network could not be read: a value for counting and for `events`, never an exception. */

/**
 * - `short`: the bytes end before the field does; `long`: more bytes than the format or this implementation allows.
 * - `version`: another version of the format. `other`: well formed, but not the protocol asked for.
 * - `value`: a field outside its range. `duplicate`: a part that may appear once appears again.
 * - `checksum`: the Internet checksum does not fit.
 */
export type ParseErrorKind = "short" | "long" | "version" | "other" | "value" | "duplicate" | "checksum";

export interface ParseError {
  readonly kind: ParseErrorKind;
  /** Offset of the field in the bytes given to the parser. */
  readonly at: number;
  /** The field's name, such as "heard.loss". */
  readonly what: string;
}
