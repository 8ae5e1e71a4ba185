/**
 * `instanceof` that holds between two installed copies of the package: classes are recognised by a registered symbol
 * on the prototype instead of by identity.
 */

/** The symbol that marks instances of a base class. */
export function brandOf(name: string): symbol {
  return Symbol.for(`sluice.${name}`);
}

/** Marks the prototype of a class as an instance of the named bases. */
export function brand(type: { readonly prototype: object }, ...names: readonly string[]): void {
  for (const name of names) Object.defineProperty(type.prototype, brandOf(name), { value: true });
}

/**
 * The body of `static [Symbol.hasInstance]` of a branded class.
 *
 * @param self - `this` of the static method: a subclass that inherits the method is compared in the ordinary way.
 * @param owner - The branded class itself.
 */
export function hasBrand(self: unknown, owner: unknown, name: string, value: unknown): boolean {
  if (self === owner) return typeof value === "object" && value !== null && brandOf(name) in value;
  return Function.prototype[Symbol.hasInstance].call(self as CallableFunction, value);
}
