/** Marks a primitive as one kind of quantity or name, so that the compiler refuses to mix them up. */
declare const brand: unique symbol;
export type Brand<Primitive, Name extends string> = Primitive & { readonly [brand]: Name };
