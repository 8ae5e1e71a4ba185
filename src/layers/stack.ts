/** Layers around a store by their names. */
import type { ByteStore } from "../core/byte-store.ts";
import type { InstanceConfig, StandardIssue } from "../core/descriptor.ts";
import { nearest, StorageError } from "../core/errors.ts";
import { type LayerContext, layerTable } from "./layer-table.ts";
import { type LayerKind, layerKinds, orderMistake } from "./order.ts";
import { layersOf } from "./wrapped-store.ts";

/** A layer in a configuration: its name in `use`, and its options. */
export type LayerConfig = InstanceConfig;

/**
 * Checks a list of layers without building anything: names, options, order.
 *
 * @returns Every mistake, with its path within the list.
 */
export async function checkLayers(layers: unknown, below: readonly LayerKind[] = []): Promise<StandardIssue[]> {
  if (!Array.isArray(layers)) return [{ message: "must be a list of layers, the outermost first" }];
  const issues: StandardIssue[] = [];
  const inside = [...below];
  for (const [index, layer] of [...layers.entries()].reverse()) {
    const kind = kindOf(layer);
    if (kind === undefined) {
      issues.unshift({ message: unknownLayer(layer), path: [index, "use"] });
      continue;
    }
    const { use: _, ...options } = layer as LayerConfig;
    const result = await layerTable[kind].options["~standard"].validate(options);
    issues.unshift(...(result.issues ?? []).map(({ message, path = [] }) => ({ message, path: [index, ...path] })));
    const mistake = orderMistake(kind, inside);
    if (mistake !== undefined) issues.unshift({ message: mistake, path: [index] });
    inside.push(kind);
  }
  return issues;
}

/**
 * Puts layers around a store.
 *
 * @param layers - Outermost first: a call goes down the list, then to the store.
 * @returns The outermost layer; closing it closes the store.
 * @throws A {@link StorageError} `CONFIG_INVALID` for an unknown layer, wrong options, or a wrong order, with the reason;
 * the store is as it was, and open.
 * @example
 * ```ts
 * const store = await stack(disk, [{ use: "retry", attempts: 5 }, { use: "timeout", timeoutMs: 2000 }]);
 * ```
 */
export async function stack(
  store: ByteStore,
  layers: readonly LayerConfig[],
  context: LayerContext = {},
): Promise<ByteStore> {
  const issues = await checkLayers(layers, layersOf(store));
  if (issues.length > 0) {
    const list = issues.map(({ message, path }) => `layers${pathText(path)}: ${message}`).join("; ");
    throw new StorageError("CONFIG_INVALID", `Layers of "${store.name}": ${list}`, {
      backend: store.name,
      operation: "stack",
    });
  }
  let built = store;
  for (const layer of [...layers].reverse()) {
    const { use, ...options } = layer;
    built = await layerTable[use as LayerKind].wrap(built, options, context);
  }
  return built;
}

function kindOf(layer: unknown): LayerKind | undefined {
  const use = typeof layer === "object" && layer !== null && "use" in layer ? layer.use : undefined;
  return layerKinds.find((kind) => kind === use);
}

function unknownLayer(layer: unknown): string {
  const use = typeof layer === "object" && layer !== null && "use" in layer ? layer.use : undefined;
  const guess = typeof use === "string" ? nearest(use, layerKinds) : undefined;
  const hint = guess === undefined ? `known: ${layerKinds.join(", ")}` : `did you mean "${guess}"?`;
  return `no layer of this name; ${hint}`;
}

function pathText(path: StandardIssue["path"] = []): string {
  return path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
}
