/**
 * Dependency injection: which constructor asks for what, and giving it. tsyringe holds the values and its decorators
 * carry the requests; constructors are called here, because tsyringe replaces the errors of what it builds by texts
 * without `code` and `cause`.
 */
import "reflect-metadata";
import { type DependencyContainer, type InjectionToken, container as root } from "tsyringe";
import { StorageError } from "../core/errors.ts";
import {
  BACKENDS,
  CATALOG,
  DEVICE_NAME,
  DEVICE_OPTIONS,
  FILES,
  LIVE,
  PATH_PROVIDER,
  WRITER,
  writerGroupOf,
} from "./tokens.ts";

/** A class that something is made of. */
// biome-ignore lint/suspicious/noExplicitAny: the only type that every constructor is assignable to
export type Constructor = new (...args: any[]) => object;

/** What a constructor asks for at one position. */
interface Request {
  readonly token: unknown;
  readonly isOptional: boolean;
  readonly isMultiple: boolean;
}

/** The key under which tsyringe's `@inject` stores its tokens; also that of another installed copy. */
const INJECTION_TOKENS = "injectionTokens";

/**
 * A container for one session (or, with a parent, for one device of it). A child of tsyringe's global one, which is only
 * read: two sessions do not see each other.
 */
export function childContainer(
  values: Iterable<readonly [token: unknown, value: unknown]>,
  parent: DependencyContainer = root,
): DependencyContainer {
  const child = parent.createChildContainer();
  for (const [token, value] of values) child.register(token as InjectionToken<unknown>, { useValue: value });
  return child;
}

/**
 * The tokens that a class declares for its constructor: a static `inject` list, or `@inject` on its parameters, its
 * own or inherited. `undefined`: it declares nothing.
 */
export function injectedTokens(type: Constructor): readonly unknown[] | undefined {
  return requestsOf(type)?.map((request) => request.token);
}

/** The tokens of {@link injectedTokens}, and those of the classes among them that will be constructed too. */
export function neededTokens(type: Constructor, seen = new Set<unknown>([type])): ReadonlySet<unknown> {
  for (const token of injectedTokens(type) ?? []) {
    if (seen.has(token)) continue;
    seen.add(token);
    if (isConstructor(token)) neededTokens(token, seen);
  }
  return seen;
}

/**
 * Makes an instance of a class from what a container holds. Errors of the constructor come out as they were thrown.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` if the class asks for something that the session does not have.
 */
export function construct(type: Constructor, container: DependencyContainer): object {
  const requests = requestsOf(type) ?? [];
  return new type(...requests.map((request, position) => resolve(request, container, type, position)));
}

function resolve(request: Request, container: DependencyContainer, type: Constructor, position: number): unknown {
  const token = request.token as InjectionToken<unknown>;
  if (container.isRegistered(token, true)) {
    return request.isMultiple ? container.resolveAll(token) : container.resolve(token);
  }
  if (request.isOptional) return undefined;
  if (isConstructor(token)) return construct(token, container);
  const what = token === undefined ? "something unnamed: add @inject" : nameOf(token);
  const section = sections.get(token);
  const hint = section === undefined ? "" : `; add a ${section} section`;
  throw new StorageError(
    "CONFIG_INVALID",
    `The constructor of ${type.name} asks at position ${position} for ${what}, which this session does not have${hint}`,
    { operation: "construct", identifier: type.name },
  );
}

/** The sections of a session file that bring what a constructor may ask for. */
const sections: ReadonlyMap<unknown, string> = new Map([
  [CATALOG, "catalog"],
  [LIVE, "live"],
  [WRITER, "storage"],
  [PATH_PROVIDER, "storage"],
]);

function requestsOf(type: Constructor): Request[] | undefined {
  const listed = (type as { inject?: unknown }).inject;
  if (Array.isArray(listed)) return listed.map(requestOf);
  // Reflect.getMetadata also sees the base class, unlike tsyringe, so that a subclass keeps what its base asks for.
  const decorated = Reflect.getMetadata(INJECTION_TOKENS, type) as Record<string, unknown> | undefined;
  if (decorated === undefined) return undefined;
  const types = (Reflect.getMetadata("design:paramtypes", type) ?? []) as unknown[];
  const length = Math.max(types.length, ...Object.keys(decorated).map((index) => Number(index) + 1));
  return Array.from({ length }, (_, index) => requestOf(decorated[index] ?? types[index]));
}

function requestOf(entry: unknown): Request {
  if (typeof entry !== "object" || entry === null || !("token" in entry)) {
    return { token: entry, isOptional: false, isMultiple: false };
  }
  const { token, isOptional, multiple } = entry as { token: unknown; isOptional?: boolean; multiple?: boolean };
  return { token, isOptional: isOptional === true, isMultiple: multiple === true };
}

function isConstructor(token: unknown): token is Constructor {
  return typeof token === "function" && token !== Object && token !== String && token !== Number && token !== Boolean;
}

function nameOf(token: unknown): string {
  const group = writerGroupOf(token);
  if (group !== undefined) return `the writer of group "${group}"`;
  const names = new Map<unknown, string>([
    [WRITER, "a writer"],
    [DEVICE_NAME, "its device name"],
    [DEVICE_OPTIONS, "its device options"],
    [FILES, "the file manager"],
    [BACKENDS, "the backends"],
    [PATH_PROVIDER, "the path provider"],
    [CATALOG, "the catalogue"],
    [LIVE, "the live scans"],
  ]);
  if (typeof token === "function") return token.name || "an unnamed class";
  return names.get(token) ?? `"${String(token)}"`;
}
