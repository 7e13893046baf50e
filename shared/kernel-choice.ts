/** What local work may run on, and what was chosen and why. Knows nothing of how kernels work. */
import { z } from 'zod';

/** `auto`: the graphics card where it proves right and quicker on the job's own work; else the CPU. */
export const kernelPreferences = ['auto', 'wasm', 'webgpu'] as const;
export type KernelPreference = (typeof kernelPreferences)[number];
export const kernelPreferenceSchema = z.enum(kernelPreferences);

/** An operation of the plan that the card could not be given. */
const operationOnCpuSchema = z.object({ operation: z.string(), reason: z.string() });
export type OperationOnCpu = z.infer<typeof operationOnCpuSchema>;

/** How one process computed. */
export const kernelReportSchema = z.object({
  /** At the end: a card that was lost leaves `wasm`. */
  kernels: z.enum(['wasm', 'webgpu']),
  /** Why these, a sentence. */
  reason: z.string(),
  /** Card and driver, where one was found. */
  adapter: z.string().optional(),
  /** What happened to them on the way, a sentence each. */
  notices: z.array(z.string()).readonly(),
  /** Operations that the CPU carried out while the card did the rest. Reports of older versions have none. */
  onCpu: z.array(operationOnCpuSchema).readonly().default([]),
});
export type KernelReport = z.infer<typeof kernelReportSchema>;

export function onCpuText({ operation, reason }: OperationOnCpu): string {
  return `${operation} on the CPU: ${reason}`;
}

/** One line for people. */
export function kernelReportText({ kernels, reason, notices, onCpu }: KernelReport): string {
  return [`${kernels === 'webgpu' ? 'graphics card' : 'CPU'}: ${reason}`, ...onCpu.map(onCpuText), ...notices].join(
    ' ',
  );
}

const rateSchema = z.number().min(0);

/** What came of trying one part of the program on this machine. */
export const partProbeSchema = z.object({
  works: z.boolean(),
  /** What was found, or what went wrong. */
  found: z.string(),
  /** What becomes of it and why, where the probe knows. */
  chosen: z.string().optional(),
  /** A driver that computes on the CPU in place of a graphics card. */
  isSoftware: z.boolean().optional(),
  /** Of a product of 512 x 512 by 512 x 512 words. */
  multiplyAddsPerSecond: rateSchema.optional(),
  /** The ways of computing products that were tried, each on 256 x 256 by 256 x 256 words; the fastest first. */
  variants: z.array(z.object({ name: z.string(), multiplyAddsPerSecond: rateSchema })).optional(),
});
export type PartProbe = z.infer<typeof partProbeSchema>;

export const rateText = (rate: number): string => `${(rate / 1e9).toFixed(rate < 1e10 ? 2 : 0)} G multiply-adds/s`;

/** What was found and measured, on one line. */
export function partProbeText({ found, multiplyAddsPerSecond, variants = [] }: PartProbe): string {
  const tried = variants.map(({ name, multiplyAddsPerSecond: rate }) => `${name} ${rateText(rate)}`);
  return [
    multiplyAddsPerSecond === undefined ? found : `${found}; ${rateText(multiplyAddsPerSecond)}`,
    ...(tried.length === 0 ? [] : [`256 x 256 x 256: ${tried.join(', ')}`]),
  ].join('; ');
}
