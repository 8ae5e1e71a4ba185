import { describe, test } from "vitest";
import { backendConformance } from "../../../src/testing/backend-kit.ts";
import { zarrInMemory, zarrOnDisk } from "./backend-subjects.ts";

backendConformance({ describe, test }, "zarr in memory", zarrInMemory);
backendConformance({ describe, test }, "zarr on disk", zarrOnDisk);
