/** The devices that are recorded: frames of whole pages, and small ones of an odd length. */
export const devices = {
  camera: { shape: [64, 64], dtype: "uint16" },
  spectrum: { shape: [333], dtype: "uint8" },
} as const;
