/** The lab's command as a program, without the rest of the command line. */
import { runLab } from "@holdfast/lab/main.ts";

process.exitCode = await runLab(process.argv.slice(2));
