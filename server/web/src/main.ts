import { provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';

import { ChatPage } from './app/chat-page';
import { ChatSession } from './app/chat/chat-session';
import { openHubLink } from './app/chat/hub-link';

bootstrapApplication(ChatPage, {
  providers: [
    provideZonelessChangeDetection(),
    { provide: ChatSession, useFactory: () => new ChatSession(openHubLink) },
  ],
}).catch((error: unknown) => console.error(error));
