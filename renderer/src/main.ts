/** Starts the interface in whatever window it is loaded: a browser's tab, or the desktop app's window. */
import { mount } from 'svelte';
import App from './App.svelte';
import { browserCarrier } from './api/browser-carrier.ts';
import { desktopBridge, desktopCarrier } from './api/desktop-carrier.ts';
import { AppState } from './state/app.svelte.ts';
import './styles/tokens.css';
import './styles/base.css';

const target = document.getElementById('app');
if (target === null) throw new Error('The page has no place for the interface.');
const bridge = desktopBridge(window);
const carrier = bridge === undefined ? browserCarrier(window) : desktopCarrier(bridge);
mount(App, { target, props: { app: new AppState(carrier) } });
