/**
 * Endings of image files that `FileManager.listImageFiles` keeps when it is given none.
 *
 * @see OpenHCS `constants.py`, `DEFAULT_IMAGE_EXTENSIONS`
 */
export const imageExtensions: readonly string[] = [".tif", ".tiff", ".png", ".bmp", ".gif", ".jpg", ".jpeg"];
