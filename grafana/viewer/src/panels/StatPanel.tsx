import {
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type DisplayValueAlignmentFactors,
  VizOrientation,
} from '@grafana/data';
import { BigValue, BigValueGraphMode, useTheme2, VizRepeater } from '@grafana/ui';
import type { PanelProps } from './kinds';

/** Grafana's BigValue, one or more in a grid. */
export function StatPanel({ width, height, frames, options, timeRange, ...rest }: PanelProps) {
  const theme = useTheme2();

  function values(): FieldDisplay[] {
    const found = getFieldDisplayValues({
      data: frames,
      fieldConfig: rest.fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables: rest.replace,
      sparkline: options.graphMode !== BigValueGraphMode.None,
      theme,
      timeZone: rest.timeZone,
    });
    return found.map((value) =>
      value.sparkline ? { ...value, sparkline: { ...value.sparkline, timeRange } } : value
    );
  }

  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      width={width}
      height={height}
      source={frames}
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderCounter={0}
      autoGrid
      orientation={options.orientation ?? VizOrientation.Auto}
      renderValue={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          width={width}
          height={height}
          count={count}
          value={value.display}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          text={options.text}
          disableWideLayout={!options.wideLayout}
          alignmentFactors={alignmentFactors}
          theme={theme}
        />
      )}
    />
  );
}
