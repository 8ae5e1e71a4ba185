import { describe, test } from "vitest";
import { backendConformance } from "../../../src/testing/backend-kit.ts";
import { reading, writing } from "./subjects.ts";

backendConformance({ describe, test }, "virtual workspace", reading);
backendConformance({ describe, test }, "virtual workspace that writes through", writing);
