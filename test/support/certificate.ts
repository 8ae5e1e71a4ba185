/** Certificates for tests, made by openssl and trusted by nobody who is not told to. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate that signs itself, and its private key, as PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes one, valid for a day.
 *
 * @param subject - Names and addresses that it is good for, as `subjectAltName` of OpenSSL.
 */
export function makeCertificate(subject = "IP:127.0.0.1,DNS:localhost"): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), "sluice-cert-"));
  try {
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const request = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "1",
    ];
    const about = ["-subj", "/CN=sluice test", "-addext", `subjectAltName=${subject}`];
    execFileSync("openssl", [...request, ...about, "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
