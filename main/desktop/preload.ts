/** Runs before the page: gives it the bridge, and nothing else. */
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import { BRIDGE_NAME } from '../../shared/api/bridge.ts';
import { createBridge } from './bridge.ts';

contextBridge.exposeInMainWorld(
  BRIDGE_NAME,
  createBridge(ipcRenderer, (file) => webUtils.getPathForFile(file)),
);
