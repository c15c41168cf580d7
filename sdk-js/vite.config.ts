import { defineConfig, type UserConfig } from 'vite';

/** `vite build` makes the modules, `vite build --mode script` the one file for a script tag. */
const config: ReturnType<typeof defineConfig> = defineConfig(({ mode }): UserConfig => {
  const script = mode === 'script';
  return {
    build: {
      target: 'es2022',
      emptyOutDir: !script,
      minify: script ? 'oxc' : false,
      sourcemap: !script,
      rolldownOptions: { output: { exports: script ? 'default' : 'named' } },
      lib: script
        ? { entry: 'src/script.ts', formats: ['iife'], name: 'Firebase', fileName: () => 'firebase.js' }
        : {
            entry: 'src/index.ts',
            formats: ['es', 'cjs'],
            fileName: (format) => `beaconfire.${format === 'es' ? 'js' : 'cjs'}`,
          },
    },
  };
});

export default config;
