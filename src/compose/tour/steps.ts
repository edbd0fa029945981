import {appSteps} from './steps-apps.ts'
import {moneySteps} from './steps-money.ts'
import {networkSteps} from './steps-network.ts'
import {recoverySteps} from './steps-recovery.ts'
import {sandboxSteps} from './steps-sandbox.ts'
import type {TourStep} from './tour.ts'

/** The whole loop, once. */
export const tourSteps: readonly TourStep[] = [...networkSteps, ...appSteps, ...sandboxSteps, ...moneySteps, ...recoverySteps]
