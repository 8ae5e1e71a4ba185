/**
 * Backends by key: registration, named instances, plug-ins.
 *
 * @module sluice/registry
 */
export { type BackendClass, type BackendDeclaration, backend } from "./backend.ts";
export type { AnyBackendDescriptor, BackendInfo, BackendOpens, LazyBackend } from "./backend-info.ts";
export { BackendSet, type BackendSetOptions, defaultInstances, type OpenWriterOptions } from "./backend-set.ts";
export { builtins, createRegistry } from "./builtin.ts";
export {
  defaultRegistry,
  ensureStorageRegistry,
  getBackend,
  resetMemoryBackend,
  storageRegistry,
} from "./default-set.ts";
export {
  type DiscoveredBackends,
  type DiscoveredPackage,
  type Discovery,
  discoverBackends,
  loadDiscovered,
  registerDiscovered,
} from "./discover.ts";
export { type FromDescriptorOptions, fromDescriptor } from "./from-descriptor.ts";
export { loadPlugins, type PluginOptions } from "./plugins.ts";
export { type RegisterBackendOptions, type RegisterOptions, Registry } from "./registry.ts";
export type { BackendSetDescriptor } from "./set-descriptor.ts";
export { isUri, type ResolvedUri, resolveUri, type SplitUri, splitUri } from "./uri.ts";
