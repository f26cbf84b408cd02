/** Runs a program of the system to its end. */
import { spawn } from "node:child_process";

/** Its standard output. Rejects with the program's own words when it fails or is missing. */
export function runCommand(file: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT";
      reject(
        missing ? new Error(`${file} is not installed; run: apt-get install iproute2 nftables util-linux`) : error,
      );
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(stdout);
      reject(
        new Error(
          `${file} ${args.join(" ")}: ${(stderr || stdout).trim() || `ended by ${signal ?? `status ${code}`}`}`,
        ),
      );
    });
    // A program that ends before it read its input is reported by its status.
    child.stdin.on("error", () => undefined).end(input);
  });
}
