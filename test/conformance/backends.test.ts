import { describe, test } from "vitest";
import { backendConformance } from "../../src/testing/backend-kit.ts";
import { disk, flatFiles, memory, memoryFiles } from "./backends.ts";

backendConformance({ describe, test }, "memory", memory);
backendConformance({ describe, test }, "disk", disk);
backendConformance({ describe, test }, "files in memory", memoryFiles);
backendConformance({ describe, test }, "files in memory with flat keys", flatFiles);
