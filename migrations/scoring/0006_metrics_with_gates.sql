-- Every metric of the suite can have a gate; the suite has grown.

ALTER TABLE quality_gates DROP CONSTRAINT quality_gates_metric_check;
ALTER TABLE quality_gates ADD CONSTRAINT quality_gates_metric_check CHECK (metric IN (
    'matches_request', 'sharpness', 'exposure', 'clipping', 'contrast', 'colourfulness', 'blockiness', 'noise',
    'motion', 'motion_jump', 'warping_error', 'flicker', 'temporal_flicker', 'frozen_frames', 'black_frames', 'cuts',
    'identity_similarity', 'handover_ssim', 'ssim_to_baseline'
));
